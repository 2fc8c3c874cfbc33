package process

import (
	"os/exec"
	"syscall"
)

func detach(cmd *exec.Cmd, orphan syscall.Signal) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
	cmd.SysProcAttr.Pdeathsig = orphan
}
