package apachekafka

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/steadfast-shop/steadfast/devstack/internal/ports"
)

var errNotJoined = errors.New("not one of the cluster's nodes yet")

// Ready returns a probe that succeeds once the node on the port tells that it is
// one of the cluster's: one that is starting answers, too, but leads nothing, and
// is not named to clients.
func Ready(port int) func(context.Context) error {
	return func(ctx context.Context) error {
		client, err := kgo.NewClient(kgo.SeedBrokers(ports.Address(port)))
		if err != nil {
			return fmt.Errorf("read address: %w", err)
		}
		defer client.Close()
		request := kmsg.NewPtrMetadataRequest()
		request.Topics = []kmsg.MetadataRequestTopic{} // none
		response, err := client.SeedBrokers()[0].Request(ctx, request)
		if err != nil {
			return fmt.Errorf("ask for the nodes: %w", err)
		}
		metadata, isMetadata := response.(*kmsg.MetadataResponse)
		if !isMetadata || !slices.ContainsFunc(metadata.Brokers, func(b kmsg.MetadataResponseBroker) bool { return int(b.Port) == port }) {
			return errNotJoined
		}
		return nil
	}
}
