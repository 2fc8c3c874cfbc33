//go:build !linux

package process

import (
	"os/exec"
	"syscall"
)

// Without a parent death signal, an orphan lives until the next start finds it.
func detach(cmd *exec.Cmd, _ syscall.Signal) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
}
