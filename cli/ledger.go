package cli

import (
	"context"

	"fairlead.dev"
	"fairlead.dev/op"
	"github.com/spf13/cobra"
)

// maxCheckpointFile is well above what a checkpoint with its signature takes.
const maxCheckpointFile = 64 << 10

// ledgerVerifyCmd is written by hand because with a key it is this machine
// that verifies, not the server.
func (p *program) ledgerVerifyCmd() *cobra.Command {
	var key, checkpoint string
	c := &cobra.Command{
		Use: "verify", Short: "Check that no entry of the ledger was changed", Args: exactly(),
		Long: op.LedgerVerify.Doc + `

With --key this machine fetches all entries and verifies them itself, against
the root that the key signs. With --checkpoint, too, it verifies that they begin
with the entries under a checkpoint that was kept, so that even the server's
owner cannot have changed one of these. Nothing is believed but the key: note
it early, it is the ledgerKey of 'fairlead server info'.

The exit code is 1 when an entry was changed, removed or added, and 2 when the
checkpoint or the key are of no use.`,
		Example: `  fairlead ledger verify
  fairlead ledger verify --key $KEY
  fairlead ledger verify --key $KEY --checkpoint monday.checkpoint`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var out any
			var err error
			switch {
			case key == "" && checkpoint != "":
				return usagef("--checkpoint needs --key, the ledgerKey of 'fairlead server info' as you noted it when you kept the checkpoint")
			case key == "":
				out, err = p.call(cmd.Context(), op.LedgerVerify.Verb(), &struct{}{})
			default:
				out, err = p.auditLedger(cmd.Context(), key, checkpoint)
			}
			if fairlead.CodeOf(err) == fairlead.Corrupt {
				return failed{err}
			}
			if err != nil {
				return err
			}
			return p.printAnswer(out)
		},
	}
	c.Flags().StringVar(&key, "key", "", "public key of the ledger: verify on this machine")
	c.Flags().StringVar(&checkpoint, "checkpoint", "", "file with an earlier checkpoint of the ledger, - for standard input")
	return c
}

func (p *program) auditLedger(ctx context.Context, key, file string) (op.LedgerAudit, error) {
	var earlier []byte
	if file != "" {
		var err error
		if earlier, err = p.readInput(file, maxCheckpointFile); err != nil {
			return op.LedgerAudit{}, err
		}
	}
	return op.AuditLedger(ctx, key, earlier, op.LedgerSource{
		Checkpoint: func(ctx context.Context) (op.SignedCheckpoint, error) {
			return call(ctx, p, op.LedgerCheckpoint, struct{}{})
		},
		Entries: func(ctx context.Context, in op.EntriesIn) (op.EntriesOut, error) {
			return call(ctx, p, op.LedgerEntries, in)
		},
	})
}
