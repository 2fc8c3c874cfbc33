package input

import (
	"bytes"
	"encoding/json"
	"iter"
)

// The functions of this file walk through JSON that is known to be well-formed: they copy nothing, and look at each byte once for each level that is read.

// cut splits data after its first value. The value has no white space around it.
func cut(data []byte) (value, rest []byte) {
	data = skip(data)
	end, depth := 0, 0
	for ; end == 0 || depth > 0; end++ {
		switch data[end] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			end = closingQuote(data, end)
		default:
			if depth == 0 { // a number, true, false or null
				if end = bytes.IndexAny(data, ",]} \t\r\n"); end < 0 {
					end = len(data)
				}
				return data[:end], data[end:]
			}
		}
	}
	return data[:end], data[end:]
}

// closingQuote returns where the text ends that begins at start.
func closingQuote(data []byte, start int) int {
	for i := start + 1; ; i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
}

// skip drops what stands before a value, or before the end of an array or object.
func skip(data []byte) []byte { return bytes.TrimLeft(data, ",: \t\r\n") }

// membersOf yields the names and values of an object.
func membersOf(object []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for rest := skip(object[1:]); rest[0] != '}'; rest = skip(rest) {
			var quoted, value []byte
			quoted, rest = cut(rest)
			value, rest = cut(rest)
			if name, _ := textOf(quoted); !yield(name, value) {
				return
			}
		}
	}
}

// elementsOf returns the elements of an array.
func elementsOf(array []byte) [][]byte {
	var elements [][]byte
	for rest := skip(array[1:]); rest[0] != ']'; rest = skip(rest) {
		var element []byte
		element, rest = cut(rest)
		elements = append(elements, element)
	}
	return elements
}

// textOf returns a value that is a text.
func textOf(value []byte) (text string, ok bool) {
	if value[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1]), true
	}
	return text, json.Unmarshal(value, &text) == nil
}
