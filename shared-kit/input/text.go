package input

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxID is the longest id that is taken, in characters.
const MaxID = 128

// CheckText returns what is wrong with a text that must have 1 to most characters, none of them a control character, and not be blank; "" where it is right.
func CheckText(text string, most int) string {
	switch {
	case strings.TrimSpace(text) == "":
		return "must not be blank"
	case !utf8.ValidString(text) || strings.ContainsRune(text, utf8.RuneError):
		return "must be valid Unicode"
	case utf8.RuneCountInString(text) > most:
		return fmt.Sprintf("must have at most %d characters", most)
	case strings.ContainsFunc(text, unicode.IsControl):
		return "must not hold control characters"
	}
	return ""
}
