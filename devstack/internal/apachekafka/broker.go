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
	"strings"
	"sync"

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

// Cluster is Apache Kafka of one node or several, each of them both a broker and
// a controller.
type Cluster struct {
	Dir      string // the data
	CacheDir string // the jars
	Nodes    []Ports
	Run      func(*exec.Cmd) error // starts a child and waits for its end

	mu sync.Mutex // for what the nodes share: the jars and the cluster's id
}

// Ports are where a node listens.
type Ports struct {
	Broker     int
	Controller int
}

// Broker is one node, which a supervisor runs.
type Broker struct {
	cluster *Cluster
	id      int // from 1
	dir     string
}

// Broker returns the node that listens on the i-th ports.
func (c *Cluster) Broker(i int) *Broker {
	b := &Broker{cluster: c, id: i + 1, dir: c.Dir}
	if len(c.Nodes) > 1 {
		b.dir = filepath.Join(c.Dir, fmt.Sprint(b.id))
	}
	return b
}

// Command fetches Kafka and formats the node's storage where that has not been
// done yet, and returns the broker, ready to start.
func (b *Broker) Command(ctx context.Context, say func(string)) (*exec.Cmd, error) {
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, errNoJava
	}
	jars, err := b.cluster.fetch(ctx, say)
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

func (b *Broker) path(name string) string { return filepath.Join(b.dir, name) }

// properties are the node's settings. A record that was acknowledged is on a
// majority of the nodes, so that any one of them can be lost.
func (b *Broker) properties() string {
	var voters []string
	for i, node := range b.cluster.Nodes {
		voters = append(voters, fmt.Sprintf("%d@%s", i+1, ports.Address(node.Controller)))
	}
	own := b.cluster.Nodes[b.id-1]
	return fmt.Sprintf(`process.roles=broker,controller
node.id=%[1]d
controller.quorum.voters=%[2]s
listeners=PLAINTEXT://%[3]s,CONTROLLER://%[4]s
advertised.listeners=PLAINTEXT://%[3]s
controller.listener.names=CONTROLLER
log.dirs=%[5]s
auto.create.topics.enable=false
min.insync.replicas=%[7]d
offsets.topic.replication.factor=%[6]d
offsets.topic.num.partitions=6
transaction.state.log.replication.factor=%[6]d
transaction.state.log.min.isr=%[7]d
share.coordinator.state.topic.replication.factor=%[6]d
share.coordinator.state.topic.min.isr=%[7]d
group.initial.rebalance.delay.ms=0
`, b.id, strings.Join(voters, ","), ports.Address(own.Broker), ports.Address(own.Controller), b.path("data"), len(voters), len(voters)/2+1)
}

// configure writes the settings anew at every start, for the ports may change.
func (b *Broker) configure() error {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return fmt.Errorf("make data directory: %w", err)
	}
	err := errors.Join(
		os.WriteFile(b.path("server.properties"), []byte(b.properties()), 0o600),
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
	id, err := b.cluster.identity()
	if err != nil {
		return err
	}
	cmd := b.java(ctx, java, jars, "kafka.tools.StorageTool", "format",
		"--cluster-id", id, "--config", b.path("server.properties"))
	if err := b.cluster.run(cmd); err != nil {
		return fmt.Errorf("format storage: %w", err)
	}
	return nil
}

// identity returns the cluster's id, which all nodes are formatted with. The first
// one makes it.
func (c *Cluster) identity() (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	file := filepath.Join(c.Dir, "cluster-id")
	known, err := os.ReadFile(file) //nolint:gosec // in our own data directory
	if err == nil {
		return string(known), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the cluster's id: %w", err)
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random) // it never fails
	id := base64.RawURLEncoding.EncodeToString(random)
	if err := errors.Join(os.WriteFile(file+".new", []byte(id), 0o600), os.Rename(file+".new", file)); err != nil {
		return "", fmt.Errorf("write the cluster's id: %w", err)
	}
	return id, nil
}

func (b *Broker) java(ctx context.Context, java, jars, class string, arguments ...string) *exec.Cmd {
	all := append([]string{
		"-Xmx512m", "-XX:+UseG1GC", "-Dlog4j2.configurationFile=" + b.path("log4j2.properties"),
		"-cp", filepath.Join(jars, "*"), class,
	}, arguments...)
	cmd := exec.CommandContext(ctx, java, all...) //nolint:gosec // the installed Java
	cmd.Dir = b.dir
	return cmd
}
