// Command versions checks that the modules of this repository require the same version of every module that two of them share, and that each builds with its neighbours beside it.
// Its arguments are the modules' folders; it exits with 1 where they disagree, and names each disagreement.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"
)

const ours = "github.com/steadfast-shop/steadfast/"

func main() {
	faults, err := check(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "versions:", err)
		os.Exit(1)
	}
	for _, fault := range faults {
		fmt.Fprintln(os.Stderr, fault)
	}
	if len(faults) > 0 {
		os.Exit(1)
	}
	fmt.Printf("%d modules agree on every version that they share\n", len(os.Args)-1)
}

// check returns what the go.mod files of the folders disagree on.
func check(folders []string) (faults []string, err error) {
	users := make(map[string]map[string][]string) // module → version → folders
	for _, folder := range folders {
		path := filepath.Join(folder, "go.mod")
		data, err := os.ReadFile(path) //nolint:gosec // a path of the command line
		if err != nil {
			return nil, fmt.Errorf("read a module file: %w", err)
		}
		file, err := modfile.Parse(path, data, nil)
		if err != nil {
			return nil, fmt.Errorf("read a module file: %w", err)
		}
		if want := ours + filepath.Base(folder); file.Module.Mod.Path != want {
			faults = append(faults, fmt.Sprintf("%s: the module is named %s; want %s", path, file.Module.Mod.Path, want))
		}
		record(users, "go", file.Go.Version, folder)
		for _, require := range file.Require {
			record(users, require.Mod.Path, require.Mod.Version, folder)
			if neighbour, found := strings.CutPrefix(require.Mod.Path, ours); found && !replaced(file, require.Mod.Path, "../"+neighbour) {
				faults = append(faults, fmt.Sprintf("%s: %s must be replaced with ../%s, so that the folder builds by itself", path, require.Mod.Path, neighbour))
			}
		}
	}
	for _, module := range slices.Sorted(maps.Keys(users)) {
		if versions := users[module]; len(versions) > 1 {
			faults = append(faults, disagreement(module, versions))
		}
	}
	return faults, nil
}

func record(users map[string]map[string][]string, module, version, folder string) {
	if users[module] == nil {
		users[module] = make(map[string][]string)
	}
	users[module][version] = append(users[module][version], filepath.Base(folder))
}

func replaced(file *modfile.File, module, with string) bool {
	return slices.ContainsFunc(file.Replace, func(r *modfile.Replace) bool { return r.Old.Path == module && r.New.Path == with })
}

func disagreement(module string, versions map[string][]string) string {
	var parts []string
	for _, version := range slices.Sorted(maps.Keys(versions)) {
		parts = append(parts, version+" in "+strings.Join(versions[version], ", "))
	}
	return module + ": " + strings.Join(parts, "; ") + " (`go work sync` raises all to the highest)"
}
