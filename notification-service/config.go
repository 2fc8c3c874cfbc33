package main

import (
	netmail "net/mail"

	"github.com/steadfast-shop/steadfast/notification-service/internal/mail"
	"github.com/steadfast-shop/steadfast/shared-kit/settings"
)

// config holds the service's settings.
type config struct {
	process settings.Process
	// port is NOTIFICATION_PORT, for health and metrics. Default 8083.
	port int
	// kafkaAddresses is KAFKA_BOOTSTRAP_SERVERS. Default 127.0.0.1:9092.
	kafkaAddresses []string
	// kafkaReplicationFactor is KAFKA_REPLICATION_FACTOR, for topics that are made at start. Default 1.
	kafkaReplicationFactor int16
	// smtp is SMTP_HOST (127.0.0.1), SMTP_PORT (1025), SMTP_USERNAME and SMTP_PASSWORD (none), and SMTP_FROM (Steadfast <orders@steadfast.example>).
	smtp mail.Config
}

// loadConfig reads the settings from the environment. Its error names every fault.
func loadConfig() (config, error) {
	r := settings.NewReader()
	c := config{
		process:                settings.ReadProcess(r),
		port:                   r.Port("NOTIFICATION_PORT", 8083),
		kafkaAddresses:         readKafkaAddresses(r),
		kafkaReplicationFactor: int16(r.Int("KAFKA_REPLICATION_FACTOR", 1, 1, 32)),
		smtp: mail.Config{
			Host:     r.Text("SMTP_HOST", "127.0.0.1"),
			Port:     r.Port("SMTP_PORT", 1025),
			Username: r.Text("SMTP_USERNAME", ""),
			Password: r.Secret("SMTP_PASSWORD"),
		},
	}
	if c.smtp.Username != "" && c.smtp.Password == "" {
		r.Reject("SMTP_PASSWORD", "is missing; SMTP_USERNAME is set, so set its password too")
	}
	from, err := netmail.ParseAddress(r.Text("SMTP_FROM", "Steadfast <orders@steadfast.example>"))
	if err != nil {
		r.Reject("SMTP_FROM", "must be an address such as Shop <orders@shop.example>")
	}
	c.smtp.From = from
	return c, r.Err()
}

// loadKafkaAddresses reads what the commands need of the settings: they work on Kafka alone.
func loadKafkaAddresses() ([]string, error) {
	r := settings.NewReader()
	return readKafkaAddresses(r), r.Err()
}

func readKafkaAddresses(r *settings.Reader) []string {
	return r.Addresses("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092")
}
