package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"
)

const (
	diskSize = 4 << 30 // of memory, taken only as it is used
	// diskLeft is what a full disk still has: too little for a segment of PostgreSQL's log.
	diskLeft      = 1 << 20
	commandWithin = 30 * time.Second
)

// disk is a file system in memory, whose size can be changed while it is used.
type disk struct{ dir string }

// mountDisk moves what is in the folder onto a disk of its own at the same place. It needs root.
func mountDisk(ctx context.Context, dir string) (*disk, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("a disk can be mounted only as root")
	}
	before := dir + ".before"
	if err := os.Rename(dir, before); err != nil {
		return nil, fmt.Errorf("make way for a disk: %w", err)
	}
	d := &disk{dir}
	err := errors.Join(os.Mkdir(dir, 0o700), command(ctx, "mount", "-t", "tmpfs", "-o", size(diskSize), "tmpfs", dir))
	if err != nil {
		return nil, errors.Join(err, os.Remove(dir), os.Rename(before, dir))
	}
	if err := command(ctx, "cp", "-a", before+"/.", dir); err != nil {
		return nil, errors.Join(err, d.unmount(), os.Remove(dir), os.Rename(before, dir))
	}
	return d, os.RemoveAll(before)
}

func (d *disk) unmount() error {
	return command(context.Background(), "umount", d.dir)
}

// fill makes the disk as small as what is on it, but for a little.
func (d *disk) fill(ctx context.Context) error {
	var stat unix.Statfs_t
	if err := unix.Statfs(d.dir, &stat); err != nil {
		return fmt.Errorf("look at the disk: %w", err)
	}
	used := int64(stat.Blocks-stat.Bfree) * int64(stat.Bsize) // its type differs between systems
	return command(ctx, "mount", "-o", "remount,"+size(used+diskLeft), d.dir)
}

func (d *disk) free(ctx context.Context) error {
	return command(ctx, "mount", "-o", "remount,"+size(diskSize), d.dir)
}

func size(bytes int64) string { return fmt.Sprintf("size=%d", bytes) }

func command(ctx context.Context, name string, arguments ...string) error {
	ctx, cancel := context.WithTimeout(ctx, commandWithin)
	defer cancel()
	if output, err := exec.CommandContext(ctx, name, arguments...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, output)
	}
	return nil
}
