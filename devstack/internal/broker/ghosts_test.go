package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestSilent: a member is dead once it was silent for its session time-out and the margin; one that is new to us gets all of that time.
func TestSilent(t *testing.T) {
	now := time.Unix(0, 0)
	g := newGhosts(func() time.Time { return now })
	join := kmsg.NewPtrJoinGroupRequest()
	join.MemberID, join.SessionTimeoutMillis = "short", 10_000
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.MemberID = "beats"
	g.note(join)
	for _, step := range []struct {
		at   time.Duration
		want string
	}{{0, "[]"}, {15 * time.Second, "[]"}, {16 * time.Second, "[short]"}, {49 * time.Second, "[short]"}, {51 * time.Second, "[short unknown]"}} {
		now = time.Unix(0, 0).Add(step.at)
		g.note(beat)
		if got := fmt.Sprint(g.silent([]string{"short", "unknown", "beats"})); got != step.want {
			t.Errorf("after %v: got %s; want %s", step.at, got, step.want)
		}
	}
	g.hold([]kmsg.DescribeGroupsResponseGroupMember{{MemberID: "short"}})
	if got := g.silent([]string{"short", "beats"}); len(got) != 0 {
		t.Errorf("got %q after a rebalance", got)
	}
	if len(g.heard) != 2 {
		t.Errorf("%d members are remembered; want 2", len(g.heard))
	}
}

// TestGhostIsEvicted joins a group, and has its connection die while the join waits for an answer. Nobody would time its session; it must be gone all the same.
func TestGhostIsEvicted(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	address := cluster.ListenAddrs()[0]
	now := time.Now()
	g := newGhosts(func() time.Time { return now })
	g.watch(cluster)
	client, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	first, err := join(t.Context(), client, "")
	if err != nil {
		t.Fatal(err)
	}
	leader := first.MemberID
	dying, err := kgo.NewClient(kgo.SeedBrokers(address))
	if err != nil {
		t.Fatal(err)
	}
	cut := make(chan struct{})
	go func() {
		defer close(cut)
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		_, _ = join(ctx, dying, "") // it waits for the leader, and is cut off
		dying.Close()
	}()
	<-cut
	again, err := join(t.Context(), client, leader) // which ends the rebalance
	if err != nil {
		t.Fatal(err)
	}
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Group, sync.MemberID, sync.Generation = "g", leader, again.Generation
	if _, err := sync.RequestWith(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	if count := members(t, client); count != 2 {
		t.Skipf("the group has %d members: kfake has no ghost any more", count)
	}
	for range 3 {
		if err := g.evict(t.Context(), client, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		now = now.Add(longestSession)
		beat := kmsg.NewPtrHeartbeatRequest()
		beat.MemberID = leader
		g.note(beat)
	}
	if count := members(t, client); count != 1 {
		t.Errorf("the group has %d members; want the leader alone", count)
	}
}

// join joins the group g; with an id of ours again.
func join(ctx context.Context, client *kgo.Client, member string) (*kmsg.JoinGroupResponse, error) {
	request := kmsg.NewPtrJoinGroupRequest()
	request.Group, request.MemberID, request.ProtocolType = "g", member, "consumer"
	request.SessionTimeoutMillis, request.RebalanceTimeoutMillis = 10_000, 60_000
	request.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "range", Metadata: []byte{}}}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	if err := kerr.ErrorForCode(response.ErrorCode); errors.Is(err, kerr.MemberIDRequired) {
		return join(ctx, client, response.MemberID)
	} else if err != nil {
		return nil, err
	}
	return response, nil
}

// members counts those of the group g.
func members(t *testing.T, client *kgo.Client) int {
	t.Helper()
	describe := kmsg.NewPtrDescribeGroupsRequest()
	describe.Groups = []string{"g"}
	described, err := describe.RequestWith(t.Context(), client)
	if err != nil || len(described.Groups) != 1 {
		t.Fatalf("got %v, %v", described, err)
	}
	return len(described.Groups[0].Members)
}
