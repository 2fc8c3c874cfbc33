package kafka

import (
	"testing"

	"github.com/IBM/sarama"
)

func TestRedrivenOf(t *testing.T) {
	const partition, own = 2, 7
	for name, c := range map[string]struct {
		headers map[string]string
		want    int64 // -1: it is no mark
	}{
		"mark":                          {map[string]string{"redriven-partition": "2", "redriven-offset": "5", "redriven-time": "2026-01-01T00:00:00Z"}, 5},
		"letter":                        {map[string]string{"dlq-reason": "refused: 550"}, -1},
		"letter that looks like a mark": {map[string]string{"dlq-reason": "refused: 550", "redriven-partition": "2", "redriven-offset": "5"}, -1},
		"of another partition":          {map[string]string{"redriven-partition": "3", "redriven-offset": "5"}, -1},
		"of itself":                     {map[string]string{"redriven-partition": "2", "redriven-offset": "7"}, -1},
		"no number":                     {map[string]string{"redriven-partition": "2", "redriven-offset": "five"}, -1},
		"foreign":                       {nil, -1},
	} {
		record := &sarama.ConsumerMessage{Partition: partition, Offset: own}
		for key, value := range c.headers {
			record.Headers = append(record.Headers, &sarama.RecordHeader{Key: []byte(key), Value: []byte(value)})
		}
		got := int64(-1)
		if offset := redrivenOf(record); offset != nil {
			got = *offset
		}
		if got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}
