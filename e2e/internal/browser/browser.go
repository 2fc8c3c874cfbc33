// Package browser opens pages in a headless Chromium and notes all that goes wrong on them.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	// startWithin is how long Chromium may take to come up on a busy machine.
	startWithin = time.Minute
	// closeWithin is how long it may take to end by itself.
	closeWithin = 20 * time.Second
	// waitWithin is how long a page may take to show what was done.
	waitWithin = time.Minute
)

// Find returns the path of an installed Chromium.
func Find() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium is installed (Debian's package is chromium)")
}

// Browser is a running Chromium with a fresh profile.
type Browser struct {
	ctx      context.Context //nolint:containedctx // how chromedp hands a browser on
	cancel   context.CancelFunc
	profile  string
	pictures string
}

// Open starts the Chromium at path. Its profile is below dir and is deleted at the end; pictures of pages go to dir. It reaches 127.0.0.1 and nothing else.
func Open(path, dir string) (*Browser, error) {
	profile, err := os.MkdirTemp(dir, "chromium-")
	if err != nil {
		return nil, fmt.Errorf("make a profile: %w", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(profile),
		chromedp.NoSandbox, // which does not run as root
		chromedp.DisableGPU,
		chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
		// Sandboxed frames stay in their page's process, so that its events tell of their requests too.
		chromedp.Flag("disable-features", "site-per-process,Translate,BlinkGenPropertyTrees,IsolateSandboxedIframes"),
		chromedp.WSURLReadTimeout(startWithin),
	)
	allocator, cancelAllocator := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	b := &Browser{ctx: ctx, profile: profile, pictures: dir, cancel: func() { cancel(); cancelAllocator() }}
	if err := chromedp.Do(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", path, err), b.Close())
	}
	return b, nil
}

// Close ends the browser, with every process of its own, and deletes its profile.
func (b *Browser) Close() error {
	ctx, cancel := context.WithTimeout(b.ctx, closeWithin)
	defer cancel()
	err := chromedp.Cancel(ctx) // asks it to end, and waits for it
	b.cancel()
	if errors.Is(err, context.Canceled) || errors.Is(err, chromedp.ErrInvalidContext) {
		err = nil
	}
	return errors.Join(err, os.RemoveAll(b.profile))
}

// Screen is what a page is shown on.
type Screen struct {
	// Width and Height are in CSS pixels.
	Width, Height int64
	// Phone makes it a phone's, with touch.
	Phone bool
	// Dark asks for dark colours.
	Dark bool
}

// Screens that pages are tried on.
var (
	Desktop = Screen{Width: 1280, Height: 900}
	Phone   = Screen{Width: 390, Height: 844, Phone: true}
)

// Page is a tab.
type Page struct {
	ctx      context.Context //nolint:containedctx // how chromedp hands a tab on
	cancel   context.CancelFunc
	watch    *watch
	screen   Screen
	pictures string
}

// NewPage opens an empty tab for as long as within.
func (b *Browser) NewPage(screen Screen, within time.Duration) (*Page, error) {
	watch := newWatch()
	tab, cancelTab := chromedp.NewContext(b.ctx, chromedp.WithListener(watch.note))
	p := &Page{cancel: cancelTab, watch: watch, screen: screen, pictures: b.pictures}
	if err := chromedp.Do(tab); err != nil { // it must not be the first call whose time is limited: that would limit the tab
		p.Close()
		return nil, fmt.Errorf("open a tab: %w", err)
	}
	ctx, cancel := context.WithTimeout(tab, within)
	p.ctx, p.cancel = ctx, func() { cancel(); cancelTab() }
	viewport := []chromedp.EmulateViewportOption{}
	if screen.Phone {
		viewport = append(viewport, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	if err := chromedp.Do(ctx, chromedp.Func(p.prepare), chromedp.EmulateViewport(screen.Width, screen.Height, viewport...)); err != nil {
		p.Close()
		return nil, fmt.Errorf("prepare a tab: %w", err)
	}
	return p, nil
}

// prepare has the tab tell what happens on it, and sets the colours that it asks pages for.
func (p *Page) prepare(ctx context.Context, target *chromedp.Target) error {
	scheme := "light"
	if p.screen.Dark {
		scheme = "dark"
	}
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	_, errNetwork := cdp.Call(ctx, target, network.Enable, network.EnableParams{})
	_, errLog := cdp.Call(ctx, target, log.Enable, cdp.Empty{})
	_, errRuntime := cdp.Call(ctx, target, runtime.Enable, cdp.Empty{})
	_, errMedia := cdp.Call(ctx, target, emulation.SetEmulatedMedia, media)
	return errors.Join(errNetwork, errLog, errRuntime, errMedia)
}

// Close closes the tab.
func (p *Page) Close() { p.cancel() }

// Open shows the page at a URL, and waits until it has loaded.
func (p *Page) Open(url string) error { return chromedp.Do(p.ctx, chromedp.Navigate(url)) }

// Click clicks on the first element that a CSS selector selects, once it can be seen.
func (p *Page) Click(selector string) error {
	if err := chromedp.Do(p.ctx, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible)); err != nil {
		return fmt.Errorf("click on %s: %w", selector, err)
	}
	return nil
}

// Run runs a script.
func (p *Page) Run(script string) error {
	_, err := chromedp.Run(p.ctx, chromedp.Evaluate[any](script))
	return err
}

// Text returns the value of a script, which is a text.
func (p *Page) Text(script string) (string, error) {
	return chromedp.Run(p.ctx, chromedp.Evaluate[string](script))
}

// Until waits until a script's value is true.
func (p *Page) Until(script string) error {
	if _, err := chromedp.Run(p.ctx, chromedp.Poll[bool](script, chromedp.WithPollingTimeout(waitWithin))); err != nil {
		return fmt.Errorf("wait until %s: %w", script, err)
	}
	return nil
}

// FrameText returns the text in the frame that a CSS selector selects.
func (p *Page) FrameText(selector string) (string, error) {
	frames, err := chromedp.Run(p.ctx, chromedp.Nodes(chromedp.CSS(selector)))
	if err != nil {
		return "", fmt.Errorf("find the frame %s: %w", selector, err)
	}
	text, err := chromedp.Run(p.ctx, chromedp.TextContent(chromedp.CSS("body"), chromedp.FromNode(frames[0])))
	if err != nil {
		return "", fmt.Errorf("read the frame %s: %w", selector, err)
	}
	return text, nil
}

// Faults tells what has gone wrong so far: errors on the console, exceptions, requests that failed or went elsewhere than to 127.0.0.1.
func (p *Page) Faults() []string { return p.watch.faults() }

// Requests counts the requests so far.
func (p *Page) Requests() int { return p.watch.requests() }

// Picture keeps a picture of the page, and returns where.
func (p *Page) Picture(name string) (string, error) {
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		return "", fmt.Errorf("take a picture: %w", err)
	}
	path := filepath.Join(p.pictures, name+".png")
	if err := os.WriteFile(path, png, 0o600); err != nil {
		return "", fmt.Errorf("keep the picture: %w", err)
	}
	return path, nil
}
