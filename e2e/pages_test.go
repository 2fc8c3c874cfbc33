package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/steadfast-shop/steadfast/e2e/internal/browser"
	"github.com/steadfast-shop/steadfast/e2e/internal/promises"
	"github.com/steadfast-shop/steadfast/e2e/internal/shop"
)

// pageWithin is how long a test has one page open: a busy machine draws slowly.
const pageWithin = 2 * time.Minute

// screens are what each page is tried on.
var screens = map[string]browser.Screen{
	"desktop": browser.Desktop,
	"phone":   browser.Phone,
	"dark":    {Width: browser.Phone.Width, Height: browser.Phone.Height, Phone: true, Dark: true},
}

// eachScreen opens a page at url on each screen in turn, lets the test use it, and sees that nothing went wrong on it.
func eachScreen(t *testing.T, url string, offersDark bool, use func(t *testing.T, page *browser.Page)) {
	t.Helper()
	path, err := browser.Find()
	if err != nil {
		t.Skipf("pages are not opened: %v", err)
	}
	dir := filepath.Join(theSuite.dir, "pages-"+t.Name())
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	chromium, err := browser.Open(path, dir)
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	closeBrowser := func() {
		once.Do(func() {
			if err := chromium.Close(); err != nil {
				t.Errorf("close the browser: %v", err)
			}
		})
	}
	t.Cleanup(closeBrowser)
	for name, screen := range screens {
		t.Run(name, func(t *testing.T) { onScreen(t, chromium, screen, url, offersDark, use) })
	}
	closeBrowser()
}

func onScreen(t *testing.T, chromium *browser.Browser, screen browser.Screen, url string, offersDark bool, use func(t *testing.T, page *browser.Page)) {
	t.Helper()
	page, err := chromium.NewPage(screen, pageWithin)
	if err != nil {
		t.Fatal(err)
	}
	defer page.Close()
	defer func() { // also after a Fatal
		if !t.Failed() {
			return
		}
		if picture, err := page.Picture(strings.ReplaceAll(t.Name(), "/", "-")); err == nil {
			t.Logf("a picture is in %s", picture)
		}
		t.Logf("faults so far: %s", strings.Join(page.Faults(), "\n"))
	}()
	ok(t, page.Open(url))
	use(t, page)
	wantLayout(t, page)
	contrast, dark, err := page.Contrast()
	if err != nil || contrast < 4.5 || dark != (screen.Dark && offersDark) {
		t.Errorf("contrast %.1f, dark %t, %v; want at least 4.5, dark %t", contrast, dark, err, screen.Dark && offersDark)
	}
	for _, fault := range page.Faults() {
		t.Error(fault)
	}
	if page.Requests() < 3 {
		t.Errorf("only %d requests were seen: the page is not watched", page.Requests())
	}
}

// ok fails the test at an error.
func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// textOf returns the value of a script on the page.
func textOf(t *testing.T, page *browser.Page, script string) string {
	t.Helper()
	text, err := page.Text(script)
	ok(t, err)
	return text
}

// until waits for the script's value to be true.
func until(t *testing.T, page *browser.Page, script string) {
	t.Helper()
	if err := page.Until(script); err != nil {
		t.Fatal(err)
	}
}

func wantLayout(t *testing.T, page *browser.Page) {
	t.Helper()
	wrong, err := page.Layout()
	if err != nil {
		t.Fatal(err)
	}
	for _, fault := range wrong {
		t.Error(fault)
	}
}

// quoted makes a text a literal of JavaScript.
func quoted(text string) string {
	literal, err := json.Marshal(text)
	if err != nil {
		return `""`
	}
	return string(literal)
}

// TestInboxPage has the page open while an order is placed: its mail appears, and can be read as HTML and as text.
func TestInboxPage(t *testing.T) {
	w := sharedWorld(t)
	sku := newStock(t, w, promises.NewRecord(), 10)
	eachScreen(t, w.URLs.Inbox, true, func(t *testing.T, page *browser.Page) {
		until(t, page, `document.getElementById('count').textContent !== '' && !document.getElementById('live').classList.contains('lost')`)
		order := newOrder(sku, 1)
		wantText(t, must(t)(w.shop.Place(t.Context(), order)), 201, shop.TextPlaced)
		item := `[...document.querySelectorAll('#mails button')].find((b) => b.textContent.includes(` + quoted(order.User.Email) + `))`
		until(t, page, item+` !== undefined`)
		wantLayout(t, page)
		ok(t, page.Run(item+`.click()`))
		until(t, page, `document.getElementById('view-html').checkVisibility()`)
		if html := frameText(t, page, order.Number); !strings.Contains(html, sku) || !strings.Contains(html, "29.99") {
			t.Errorf("the HTML of the mail reads %q", html)
		}
		wantLayout(t, page)
		ok(t, page.Click("#tab-text"))
		text := textOf(t, page, `document.getElementById('view-text').innerText`)
		if !strings.Contains(text, order.Number) || !strings.Contains(text, "John") {
			t.Errorf("the text of the mail reads %q", text)
		}
		ok(t, page.Click("#tab-headers"))
		text = textOf(t, page, `document.getElementById('view-headers').innerText`)
		if !strings.Contains(text, "Message-Id:") {
			t.Errorf("the headers of the mail read %q", text)
		}
	})
}

// frameText returns the text of the mail's frame once it holds what is wanted.
func frameText(t *testing.T, page *browser.Page, wanted string) string {
	t.Helper()
	var text string
	eventually(t, pageWithin/2, func(context.Context) (err error) {
		if text, err = page.FrameText("#view-html"); err == nil && !strings.Contains(text, wanted) {
			err = fmt.Errorf("the mail's frame reads %q; want %q", text, wanted)
		}
		return err
	})
	return text
}

// TestTracesPage places an order while the page is open: it is listed, and its timeline has spans of all four services.
func TestTracesPage(t *testing.T) {
	w := sharedWorld(t)
	sku := newStock(t, w, promises.NewRecord(), 10)
	eachScreen(t, w.URLs.Traces, true, func(t *testing.T, page *browser.Page) {
		until(t, page, `document.getElementById('count').textContent !== ''`)
		order := newOrder(sku, 1)
		wantText(t, must(t)(w.shop.Place(t.Context(), order)), 201, shop.TextPlaced)
		waitForMail(t, w, order)
		item := `[...document.querySelectorAll('#traces button')].find((b) => b.textContent.includes(` + quoted(order.Number) + `))`
		until(t, page, item+` !== undefined`)
		wantLayout(t, page)
		ok(t, page.Run(item+`.click()`))
		for _, service := range []string{"gateway", "order-service", "inventory-service", "notification-service"} {
			until(t, page, `[...document.querySelectorAll('#timeline .name')].some((n) => n.title.startsWith(`+quoted(service+": ")+`))`)
		}
		until(t, page, `[...document.querySelectorAll('#timeline .bar')].every((bar) => bar.getBoundingClientRect().width > 0)`)
		ok(t, page.Click("#timeline .row"))
		until(t, page, `document.querySelector('#timeline .details') !== null`)
	})
}

// TestDocsPage finds the placement in the documentation and tries it out: the gateway's 201 is shown, and the order is there.
func TestDocsPage(t *testing.T) {
	w := sharedWorld(t)
	sku := newStock(t, w, promises.NewRecord(), 10)
	eachScreen(t, w.URLs.Gateway+"/docs", false, func(t *testing.T, page *browser.Page) {
		order := newOrder(sku, 1)
		body, err := json.Marshal(order)
		if err != nil {
			t.Fatal(err)
		}
		operation := `[...document.querySelectorAll('.opblock-post')].find((o) => o.querySelector('.opblock-summary-path')?.dataset.path === '/api/order')`
		until(t, page, operation+` !== undefined`)
		wantLayout(t, page)
		ok(t, page.Run(operation+`.querySelector('.opblock-summary-control').click()`))
		until(t, page, operation+`.querySelector('textarea.body-param__text') !== null`)
		ok(t, page.Run(`((area) => {
			Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(area, `+quoted(string(body))+`);
			area.dispatchEvent(new Event('input', { bubbles: true }));
		})(`+operation+`.querySelector('textarea.body-param__text'))`))
		until(t, page, operation+`.querySelector('textarea.body-param__text').value === `+quoted(string(body)))
		ok(t, page.Run(operation+`.querySelector('button.execute').click()`))
		live := operation + `.querySelector('.live-responses-table .response-col_status')`
		until(t, page, live+` !== null`)
		status := textOf(t, page, operation+`.querySelector('.live-responses-table tbody .response-col_status').textContent`)
		answer := textOf(t, page, operation+`.querySelector('.live-responses-table').textContent`)
		if !strings.HasPrefix(status, "201") || !strings.Contains(answer, shop.TextPlaced) {
			t.Errorf("the page shows %q: %q; want 201", status, answer)
		}
		if fate, known, err := w.shop.Fate(t.Context(), order.User.ID, order.Number); err != nil || !known || fate.Status != "PLACED" {
			t.Errorf("the order is %+v, known %t, %v; want it PLACED", fate, known, err)
		}
	})
}
