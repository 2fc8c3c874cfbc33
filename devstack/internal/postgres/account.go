package postgres

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the user that PostgreSQL runs as. The server refuses to run as
// root; there it gets the account of the distribution's package, or nobody's.
type account struct {
	credential *syscall.Credential // nil: our own
}

// accountFor chooses the account for the data directory: ourselves unless we are
// root, else the owner of data that is there already, else postgres or nobody.
func accountFor(dataDir string) (account, error) {
	if os.Geteuid() != 0 {
		return account{}, nil
	}
	info, err := os.Stat(dataDir)
	if err == nil {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 {
			return account{&syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}}, nil
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return account{}, fmt.Errorf("look at data directory: %w", err)
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(found.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(found.Gid, 10, 32)
		if errUID == nil && errGID == nil {
			return account{&syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}, nil
		}
	}
	return account{}, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody to run it as; run devstack as an ordinary user")
}

// apply makes cmd run as the account.
func (a account) apply(cmd *exec.Cmd) {
	if a.credential != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.credential}
	}
}

// own gives the account a file or a folder of ours.
func (a account) own(path string) error {
	if a.credential == nil {
		return nil
	}
	if err := os.Chown(path, int(a.credential.Uid), int(a.credential.Gid)); err != nil {
		return fmt.Errorf("give to PostgreSQL's user: %w", err)
	}
	return nil
}

// canReach says whether the account may enter dir and every folder above it. A
// folder that is not there yet is going to be made by us, passable.
func (a account) canReach(dir string) bool {
	if a.credential == nil {
		return true
	}
	for {
		info, err := os.Stat(dir)
		if err == nil && !a.mayEnter(info) {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}

func (a account) mayEnter(info fs.FileInfo) bool {
	const enter = 0o1
	mode := info.Mode().Perm()
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok:
		return mode&enter != 0
	case stat.Uid == a.credential.Uid:
		return mode&(enter<<6) != 0
	case stat.Gid == a.credential.Gid:
		return mode&(enter<<3) != 0
	default:
		return mode&enter != 0
	}
}
