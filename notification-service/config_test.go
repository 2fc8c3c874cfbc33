package main

import (
	"strings"
	"testing"
)

// clearSettings takes all settings out of the environment.
func clearSettings(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"LISTEN_HOST", "SHUTDOWN_DELAY", "LOG_LEVEL", "OTEL_EXPORTER_OTLP_ENDPOINT", "NOTIFICATION_PORT", "KAFKA_BOOTSTRAP_SERVERS", "KAFKA_REPLICATION_FACTOR",
		"SMTP_HOST", "SMTP_PORT", "SMTP_USERNAME", "SMTP_PASSWORD", "SMTP_FROM",
	} {
		t.Setenv(name, "")
	}
}

func TestDefaultsNameThisMachineOnly(t *testing.T) {
	clearSettings(t)
	cfg, err := loadConfig()
	if err != nil {
		t.Fatal(err)
	}
	if cfg.port != 8083 || cfg.smtp.Host != "127.0.0.1" || cfg.smtp.Port != 1025 || cfg.smtp.Username != "" || cfg.smtp.Password != "" ||
		cfg.smtp.From.String() != `"Steadfast" <orders@steadfast.example>` || strings.Join(cfg.kafkaAddresses, ",") != "127.0.0.1:9092" || cfg.kafkaReplicationFactor != 1 {
		t.Errorf("got %+v", cfg)
	}
}

func TestEveryBadSettingIsNamed(t *testing.T) {
	clearSettings(t)
	bad := map[string]string{
		"NOTIFICATION_PORT": "0", "KAFKA_BOOTSTRAP_SERVERS": "kafka", "KAFKA_REPLICATION_FACTOR": "none", "SMTP_PORT": "smtp", "SMTP_USERNAME": "user", "SMTP_FROM": "nobody",
	}
	for name, value := range bad {
		t.Setenv(name, value)
	}
	_, err := loadConfig()
	if err == nil {
		t.Fatal("got no error, want one")
	}
	for name := range bad {
		if name == "SMTP_USERNAME" {
			name = "SMTP_PASSWORD" // which it asks for
		}
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error lacks %s:\n%v", name, err)
		}
	}
}
