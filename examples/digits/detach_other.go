//go:build !unix

package main

import "os/exec"

// detach: this system has no process groups to leave.
func detach(*exec.Cmd) {}
