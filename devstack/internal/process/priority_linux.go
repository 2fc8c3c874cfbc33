package process

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// backgroundNice is the nice value of children in the background: a tenth of the weight of the others.
const backgroundNice = 10

// lowerPriority lowers the priority of the calling thread, and of what it starts. It always may be lowered; where it is not, nothing worse follows than a fair share.
func lowerPriority() { _ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, backgroundNice) }

// lowerSessionPriority does the same for a session as a whole, which is what counts where the kernel shares the time among sessions (sched_autogroup_enabled).
func lowerSessionPriority(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", pid), []byte(strconv.Itoa(backgroundNice)), 0)
}
