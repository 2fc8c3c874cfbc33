// Package apachekafka runs Apache Kafka itself, one node or three in KRaft mode,
// from the jars of Maven Central on the installed Java.
package apachekafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Version is the release of Apache Kafka that is run.
const Version = "4.3.1"

const fetchWithin = 10 * time.Minute

// pom names what Maven is to fetch: the broker, its tools, and what its logs need.
const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>shop.steadfast</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>` + Version + `</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>` + Version + `</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.4</version></dependency>
  </dependencies>
</project>
`

var (
	errNoJava  = errors.New("--kafka=apache needs Java 17 or newer, and java is not in the PATH. Install it:  Debian, Ubuntu: apt install default-jre-headless    Fedora: dnf install java-latest-openjdk-headless    macOS: brew install openjdk")
	errNoMaven = errors.New("--kafka=apache needs Maven to fetch Apache Kafka, and mvn is not in the PATH. Install it:  Debian, Ubuntu: apt install maven    Fedora: dnf install maven    macOS: brew install maven")
)

// fetch returns the folder with the jars, and fills it the first time.
func (c *Cluster) fetch(ctx context.Context, say func(string)) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	dir := filepath.Join(c.CacheDir, "kafka-"+Version)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	maven, err := exec.LookPath("mvn")
	if err != nil {
		return "", errNoMaven
	}
	say("downloading Apache Kafka " + Version + " (once, some 90 jars)")
	if err := os.MkdirAll(c.CacheDir, 0o755); err != nil { //nolint:gosec // programs, for everybody to read
		return "", fmt.Errorf("make cache: %w", err)
	}
	work, err := os.MkdirTemp(c.CacheDir, "kafka-new-")
	if err != nil {
		return "", fmt.Errorf("make cache: %w", err)
	}
	defer os.RemoveAll(work) //nolint:errcheck // the system clears its cache folders
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), []byte(pom), 0o600); err != nil {
		return "", fmt.Errorf("write Maven project: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, maven, "--batch-mode", "--quiet", //nolint:gosec // the installed Maven
		"dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(work, "libs"))
	cmd.Dir = work
	if err := c.run(cmd); err != nil {
		return "", fmt.Errorf("fetch Apache Kafka: %w", err)
	}
	if err := os.Rename(filepath.Join(work, "libs"), dir); err != nil {
		if _, gone := os.Stat(dir); gone == nil {
			return dir, nil // another stack was first
		}
		return "", fmt.Errorf("put Apache Kafka in place: %w", err)
	}
	return dir, nil
}

// run runs a helper to its end; its output is part of the error.
func (c *Cluster) run(cmd *exec.Cmd) error {
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := c.Run(cmd); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(output.String()))
	}
	return nil
}
