package mongodb

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/steadfast-shop/steadfast/order-service/internal/order"
)

// Decisions is the collection orders. Its inserts work while RunInserts does.
type Decisions struct{ inserts *inserter }

// NewDecisions returns the database's decisions.
func NewDecisions(d *Database) *Decisions { return &Decisions{inserts: newInserter(d.orders)} }

// Insert implements order.Decisions.
func (d *Decisions) Insert(ctx context.Context, decision order.Decision) error {
	return d.inserts.insert(ctx, rowOfDecision(decision))
}

// Find implements order.Decisions.
func (d *Decisions) Find(ctx context.Context, number string) (order.Decision, error) {
	row, err := findOne[decisionRow](ctx, d.collection(), number)
	if err != nil {
		return order.Decision{}, err
	}
	return row.decision()
}

// Placed implements order.Decisions.
func (d *Decisions) Placed(ctx context.Context, userID string, after order.Decision, limit int) (decisions []order.Decision, err error) {
	ctx, span := startCall(ctx, "find", d.collection().Name())
	defer func() { endCall(span, err) }()
	filter := bson.D{{Key: "userId", Value: userID}, {Key: "status", Value: string(order.Placed)}}
	if after.Number != "" {
		filter = append(filter, bson.E{Key: "$or", Value: bson.A{
			bson.D{{Key: "decidedAt", Value: bson.D{{Key: "$gt", Value: after.DecidedAt}}}},
			bson.D{{Key: "decidedAt", Value: after.DecidedAt}, {Key: "_id", Value: bson.D{{Key: "$gt", Value: after.Number}}}},
		}})
	}
	oldestFirst := bson.D{{Key: "decidedAt", Value: 1}, {Key: "_id", Value: 1}}
	cursor, err := d.collection().Find(ctx, filter, options.Find().SetSort(oldestFirst).SetLimit(int64(limit)))
	if err != nil {
		return nil, translate(err)
	}
	var rows []decisionRow
	if err := cursor.All(ctx, &rows); err != nil {
		return nil, translate(err)
	}
	decisions = make([]order.Decision, len(rows))
	for i, row := range rows {
		if decisions[i], err = row.decision(); err != nil {
			return nil, err
		}
	}
	return decisions, nil
}

func (d *Decisions) collection() *mongo.Collection { return d.inserts.collection }
