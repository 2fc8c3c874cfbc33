package report

// Markdown writes rows as a table whose columns line up; the first row is its head.
func Markdown(rows [][]string) string { return table(rows) }
