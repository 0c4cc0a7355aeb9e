package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"fairlead.dev"
	"fairlead.dev/cli"
	"fairlead.dev/op"
)

// firstToken makes the administrator's token at the first start and shows it,
// once. With --new-token it makes another one, for when the first was lost:
// who may start the server on its data owns it anyway.
func firstToken(ctx context.Context, deps *op.Deps, o cli.ServeOptions, address string) error {
	var file *os.File
	if o.TokenFile != "" {
		// Opened before the token is made, so that a bad path loses nothing.
		// Refusing an existing file keeps a link from leading the secret astray.
		var err error
		file, err = os.OpenFile(o.TokenFile, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, os.ErrExist) && !o.NewToken {
			if any, err := hasAdmin(ctx, deps); err != nil || any {
				return err // a restart with the same flags
			}
		}
		if err != nil {
			return fmt.Errorf("the token file cannot be made: %w", err)
		}
		defer file.Close()
	}
	secret, made, err := op.EnsureAdmin(ctx, deps)
	if err == nil && !made && o.NewToken {
		secret, err = anotherToken(ctx, deps)
		made = err == nil
	}
	switch {
	case err != nil || !made:
		if file != nil {
			_ = os.Remove(o.TokenFile) // it is empty
		}
		return err
	case file != nil:
		_, err := file.WriteString(secret + "\n")
		if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
			_, err = fmt.Printf("The administrator's token is in %s. Next:\n\n%s", o.TokenFile, nextCommands(address, " --token-file "+o.TokenFile))
		}
		return err
	}
	_, err = fmt.Printf(`
This is the administrator's token. It is shown once, only its hash is kept:

  %s

Next, in another terminal (login asks for the token):

%s`, secret, nextCommands(address, ""))
	return err
}

func nextCommands(address, flags string) string {
	return fmt.Sprintf("  fairlead login --server %s%s\n  fairlead register digits@1 model.onnx\n\n", address, flags)
}

// hasAdmin reports whether an administrator's token exists.
func hasAdmin(ctx context.Context, deps *op.Deps) (bool, error) {
	list, err := op.TokenList.Call(asServer(ctx), deps, op.Page{Limit: 1000})
	for _, t := range list.Items {
		for _, r := range t.Spec.Roles {
			if r == fairlead.RoleAdmin {
				return true, nil
			}
		}
	}
	return false, err
}

func anotherToken(ctx context.Context, deps *op.Deps) (string, error) {
	for i := 2; ; i++ {
		out, err := op.TokenCreate.Call(asServer(ctx), deps, op.TokenIn{Name: fmt.Sprintf("admin-%d", i), Roles: []string{fairlead.RoleAdmin}})
		if fairlead.CodeOf(err) != fairlead.Exists {
			return out.Secret, err
		}
	}
}

// asServer is who the ledger names for what a start itself does.
func asServer(ctx context.Context) context.Context {
	return op.WithCaller(ctx, op.Caller{Name: "fairlead", Roles: []string{fairlead.RoleAdmin}})
}
