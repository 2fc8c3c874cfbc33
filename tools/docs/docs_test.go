package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sound is a repository in which nothing is wrong.
func sound() map[string]string {
	return map[string]string{
		"README.md": "# Shop\n\nRead [on](docs/operations.md#settings), [the code](gateway/) or [this](#the-shop-again).\n\n# The `shop`, again!\n\n" +
			"See `gateway/main.go`, `bin/shop`, `gateway/node_modules`, `main.go`, `TestShop` and [home]. <https://example.com/a> [b][home]\n\n[home]: https://example.com \"Home\"\n\n" +
			"    [no link](in/code) `docs/none.md`\n\n```\n[no link](in/a/fence)\n```\n",
		"docs/adr/README.md":   "- [one](0001-one.md)\n",
		"docs/adr/0001-one.md": "# 1. One\n\nIn `gateway/main.go` it is `text/plain` over `and/or`.\n",
		"docs/operations.md": "# Operations\n\n## Settings\n| name | default |\n| --- | --- |\n| `SHOP_PORT` | `80` |\n| `SHOP_PATIENCE` | `1m30s` |\n| `SHOP_NAME` | none |\n" +
			"| `ORDER_SERVICE_URI` | `http://order` |\n| `GATEWAY_RETRY_MAX` | `3` |\n\n## Metrics\n| name | labels |\n| --- | --- |\n| `shop_sales_total` | |\n| `shop_visits` | |\n\n## More\n| `OTHER` | |\n",
		"gateway/main.go": "package main\n\nfunc load() {\n\tr.Port(\"SHOP_PORT\", 80)\n\tr.Duration(\"SHOP_PATIENCE\", 90*time.Second, 0, time.Hour)\n\tr.Text(\"SHOP_NAME\", \"\")\n\tlog.Text(\"other\", 1)\n" +
			"\tcounter(\"shop_sales_total\", \"Sales.\")\n\t_ = prometheus.GaugeOpts{Name: \"shop_visits\"}\n\t_ = person{Name: \"not_a_metric\"}\n}\n",
		"gateway/main_test.go": "package main\n\nfunc TestShop(t *testing.T) { r.Text(\"SHOP_TEST\", \"\") }\n",
		"gateway/gateway.yaml": "routes:\n  - path: /api\n    deep: 1\nupstreams:\n  - name: order\n    uri: http://order\n    uri_setting: ORDER_SERVICE_URI # a setting\nretry: # of all\n  max: 3 # tries\n",
		"bin/README.md":        "[what is built is not checked](nowhere)\n",
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name, file, old, new string
		want                 string // the one fault; "" means that there is none
	}{
		{name: "nothing is wrong"},
		{"file of a link is gone", "README.md", "[the code](gateway/)", "[the code](gate/)", "README.md:3: the link gate/ leads nowhere"},
		{"anchor is gone", "README.md", "#settings", "#setting", "README.md:3: the link docs/operations.md#setting leads nowhere"},
		{"own anchor is gone", "README.md", "#the-shop-again", "#the-shop", "README.md:3: the link #the-shop leads nowhere"},
		{"anchor in code", "README.md", "gateway/)", "gateway/main.go#L1)", "README.md:3: the link gateway/main.go#L1 names an anchor of what is no Markdown file"},
		{"link to the machine", "README.md", "gateway/)", "/gateway)", "README.md:3: the link /gateway must be relative"},
		{"link out of the repository", "README.md", "gateway/)", "../x)", "README.md:3: the link ../x leads out"},
		{"link without target", "README.md", "gateway/)", ")", "README.md:3: a link leads nowhere"},
		{"external link without host", "README.md", "https://example.com/a", "https:///a", "README.md:7: the link https:///a has no host"},
		{"unknown scheme", "README.md", "https://example.com/a", "file:///a", "README.md:7: the link file:///a must begin with https://"},
		{"label is not defined", "README.md", "[b][home]", "[b][house]", "README.md:7: the link's label [house] is not defined"},
		{"path is gone", "README.md", "`gateway/main.go`", "`gateway/other.go`", "README.md:7: there is no gateway/other.go"},
		{"file is gone", "README.md", "`main.go`", "`other.go`", "README.md:7: there is no file other.go"},
		{"test is gone", "README.md", "`TestShop`", "`TestStore`", "README.md:7: there is no test TestStore"},
		{"path of another folder", "docs/adr/0001-one.md", "`gateway/main.go`", "`internal/main.go`", "docs/adr/0001-one.md:3: there is no internal/main.go"},
		{"decision is not in the index", "docs/adr/README.md", "0001-one.md", "README.md", "docs/adr/README.md:1: does not link to 0001-one.md"},
		{"setting is not listed", "docs/operations.md", "| `SHOP_NAME` | none |\n", "", "the setting SHOP_NAME of gateway/main.go is not listed"},
		{"setting is gone", "gateway/main.go", `r.Text("SHOP_NAME", "")`, "", "docs/operations.md:8: no service has the setting SHOP_NAME"},
		{"default has changed", "gateway/main.go", "80)", "81)", "docs/operations.md:6: the default of SHOP_PORT is 81"},
		{"time span has changed", "gateway/main.go", "90*time.Second", "time.Minute", "docs/operations.md:7: the default of SHOP_PATIENCE is 1m0s"},
		{"policy has changed", "gateway/gateway.yaml", "max: 3", "max: 4", "docs/operations.md:10: the default of GATEWAY_RETRY_MAX is 4"},
		{"address has changed", "gateway/gateway.yaml", "uri: http://order", "uri: http://orders", "docs/operations.md:9: the default of ORDER_SERVICE_URI is http://orders"},
		{"policy is not listed", "docs/operations.md", "| `GATEWAY_RETRY_MAX` | `3` |\n", "", "the setting GATEWAY_RETRY_MAX of gateway/gateway.yaml is not listed"},
		{"setting is listed twice", "docs/operations.md", "| `SHOP_NAME` | none |", "| `SHOP_NAME` | none |\n| `SHOP_NAME` | none |", "docs/operations.md:9: the setting SHOP_NAME is listed twice"},
		{"metric is not listed", "docs/operations.md", "| `shop_visits` | |\n", "", "the metric shop_visits of gateway/main.go is not listed"},
		{"metric is gone", "gateway/main.go", `counter("shop_sales_total", "Sales.")`, "", "docs/operations.md:15: no service has the metric shop_sales_total"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := sound()
			if c.file != "" {
				if !strings.Contains(files[c.file], c.old) {
					t.Fatalf("%s does not hold %q", c.file, c.old)
				}
				files[c.file] = strings.Replace(files[c.file], c.old, c.new, 1)
			}
			documents, faults, err := check(write(t, files))
			if err != nil || documents != 4 {
				t.Fatalf("%d documents, %v; want 4", documents, err)
			}
			switch {
			case c.want == "" && len(faults) > 0:
				t.Errorf("got %q; want no fault", faults)
			case c.want != "" && (len(faults) != 1 || !strings.Contains(faults[0].String(), c.want)):
				t.Errorf("got %q; want %q", faults, c.want)
			}
		})
	}
}

func TestCheckWantsARepository(t *testing.T) {
	if _, _, err := check(t.TempDir()); err == nil {
		t.Error("an empty folder: no error")
	}
	if _, _, err := check(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no folder: no error")
	}
}

func write(t *testing.T, files map[string]string) (root string) {
	t.Helper()
	root = t.TempDir()
	for name, text := range files {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestCode(t *testing.T) {
	for text, want := range map[string][]string{
		"`a` b `c d`":             {"a", "c d"},
		"``a ` b`` `c`":           {"a ` b", "c"},
		"no `code here":           nil,
		"`over\ntwo lines` `one`": {"over\ntwo lines", "one"},
		"a\n\n    `block`\n    `on`\n\n    `on`\n`b`\n    `c`": {"b", "c"},
		"~~~\n`block`\n~~~\n`b`":                               {"b"},
		"````\n```\n`x`\n````\nb":                              nil,
	} {
		var got []string
		for _, m := range parse("a.md", text).code {
			got = append(got, m.text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: got %q; want %q", text, got, want)
		}
	}
}

func TestAnchors(t *testing.T) {
	d := parse("a.md", "# One, two: `three`\n## [Link](x.md) & more\n# Same\n# Same\n<a id=\"own\"></a>\n")
	for _, want := range []string{"one-two-three", "link--more", "same", "same-1", "own"} {
		if !d.anchors[want] {
			t.Errorf("got %v; want %s too", d.anchors, want)
		}
	}
}
