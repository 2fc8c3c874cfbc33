package order

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// MaxPriceMinor is the highest price of one unit, in minor units: 9,999,999,999.99.
const MaxPriceMinor = 999_999_999_999

// ErrPrice says what a price must look like.
var ErrPrice = errors.New("must be a number from 0 to 9999999999.99 with at most two decimals, such as 29.99")

// Price is an amount of money: whole minor units (hundredths), and the number of decimals in which it was written, so that it can be returned as it was sent.
type Price struct {
	minor    int64
	decimals int
}

// ParsePrice reads a decimal number such as 29.99, 30 or 30.00. It returns ErrPrice for anything else.
func ParsePrice(text string) (Price, error) {
	whole, fraction, hasPoint := strings.Cut(text, ".")
	if len(fraction) > 2 || hasPoint && fraction == "" || !isDigits(whole) || hasPoint && !isDigits(fraction) {
		return Price{}, ErrPrice
	}
	minor, err := strconv.ParseInt(whole+(fraction + "00")[:2], 10, 64)
	if err != nil {
		return Price{}, ErrPrice
	}
	return NewPrice(minor, len(fraction))
}

// NewPrice returns the price of that many minor units, written with 0 to 2 decimals. It returns ErrPrice where there is no such price.
func NewPrice(minor int64, decimals int) (Price, error) {
	cut := [...]int64{100, 10, 1}
	if minor < 0 || minor > MaxPriceMinor || decimals < 0 || decimals > 2 || minor%cut[decimals] != 0 {
		return Price{}, ErrPrice
	}
	return Price{minor: minor, decimals: decimals}, nil
}

func isDigits(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
}

// Minor returns the price in minor units.
func (p Price) Minor() int64 { return p.minor }

// Decimals returns how many decimals the price was written with, 0 to 2.
func (p Price) Decimals() int { return p.decimals }

// String writes the price as it was sent.
func (p Price) String() string {
	switch p.decimals {
	case 0:
		return strconv.FormatInt(p.minor/100, 10)
	case 1:
		return fmt.Sprintf("%d.%d", p.minor/100, p.minor%100/10)
	default:
		return fmt.Sprintf("%d.%02d", p.minor/100, p.minor%100)
	}
}

// MarshalJSON writes the price as the JSON number that was sent.
func (p Price) MarshalJSON() ([]byte, error) { return []byte(p.String()), nil }
