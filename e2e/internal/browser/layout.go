package browser

import (
	_ "embed"
	"fmt"

	"github.com/chromedp/chromedp"
)

//go:embed layout.js
var layoutScript string

// Layout tells what makes the page hard to read or to touch on its screen: what reaches beyond its width, letters that are too small, places to tap that are.
func (p *Page) Layout() ([]string, error) {
	wrong, err := chromedp.Run(p.ctx, chromedp.Evaluate[[]string](fmt.Sprintf("(%s)(%d)", layoutScript, p.screen.Width)))
	if err != nil {
		return nil, fmt.Errorf("measure the page: %w", err)
	}
	return wrong, nil
}

// Contrast returns the contrast of the page's text to its ground (WCAG 2: 1 to 21), and whether the ground is dark.
func (p *Page) Contrast() (contrast float64, dark bool, err error) {
	type measures struct {
		Contrast float64
		Dark     bool
	}
	const script = `(() => {
		const channels = (colour) => colour.match(/[\d.]+/g).slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
		const light = (colour) => { const [r, g, b] = channels(colour); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
		const style = getComputedStyle(document.body);
		const [text, ground] = [light(style.color), light(style.backgroundColor)];
		return { Contrast: (Math.max(text, ground) + 0.05) / (Math.min(text, ground) + 0.05), Dark: ground < 0.2 };
	})()`
	measured, err := chromedp.Run(p.ctx, chromedp.Evaluate[measures](script))
	return measured.Contrast, measured.Dark, err
}
