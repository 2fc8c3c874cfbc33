package apachekafka

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/steadfast-shop/steadfast/devstack/internal/ports"
)

// logging sends what is worth reading to the standard output.
const logging = `status = warn
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{HH:mm:ss} %p %m (%c{1})%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
`

// Broker is one node of Apache Kafka that a supervisor runs.
type Broker struct {
	Dir            string // the data
	CacheDir       string // the jars
	Port           int
	ControllerPort int
	Run            func(*exec.Cmd) error // starts a child and waits for its end
}

// Command fetches Kafka and formats its storage where that has not been done
// yet, and returns the broker, ready to start.
func (b *Broker) Command(ctx context.Context, say func(string)) (*exec.Cmd, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, errNoJava
	}
	jars, err := b.fetch(ctx, say)
	if err != nil {
		return nil, err
	}
	if err := b.configure(); err != nil {
		return nil, err
	}
	if err := b.format(ctx, java, jars, say); err != nil {
		return nil, err
	}
	// The supervisor ends the broker by signals, so ctx must not.
	return b.java(context.WithoutCancel(ctx), java, jars, "kafka.Kafka", b.path("server.properties")), nil
}

func (b *Broker) path(name string) string { return filepath.Join(b.Dir, name) }

// configure writes the settings anew at every start, for the ports may change.
func (b *Broker) configure() error {
	if err := os.MkdirAll(b.Dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	properties := fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.voters=1@%[2]s
listeners=PLAINTEXT://%[1]s,CONTROLLER://%[2]s
advertised.listeners=PLAINTEXT://%[1]s
controller.listener.names=CONTROLLER
log.dirs=%[3]s
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=6
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
`, ports.Address(b.Port), ports.Address(b.ControllerPort), b.path("data"))
	err := errors.Join(
		os.WriteFile(b.path("server.properties"), []byte(properties), 0o600),
		os.WriteFile(b.path("log4j2.properties"), []byte(logging), 0o600))
	if err != nil {
		return fmt.Errorf("write settings: %w", err)
	}
	return nil
}

// format prepares the storage once.
func (b *Broker) format(ctx context.Context, java, jars string, say func(string)) error {
	_, err := os.Stat(b.path("data/meta.properties"))
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	say("formatting its storage")
	id := make([]byte, 16)
	_, _ = rand.Read(id) // it never fails
	cmd := b.java(ctx, java, jars, "kafka.tools.StorageTool", "format",
		"--cluster-id", base64.RawURLEncoding.EncodeToString(id), "--config", b.path("server.properties"))
	if err := b.run(cmd); err != nil {
		return fmt.Errorf("format storage: %w", err)
	}
	return nil
}

func (b *Broker) java(ctx context.Context, java, jars, class string, arguments ...string) *exec.Cmd {
	all := append([]string{
		"-Xmx512m", "-XX:+UseG1GC", "-Dlog4j2.configurationFile=" + b.path("log4j2.properties"),
		"-cp", filepath.Join(jars, "*"), class,
	}, arguments...)
	cmd := exec.CommandContext(ctx, java, all...) //nolint:gosec // the installed Java
	cmd.Dir = b.Dir
	return cmd
}
