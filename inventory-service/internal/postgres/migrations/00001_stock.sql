-- +goose Up
-- Ids compare byte by byte, so that the order in which rows are locked does not depend on the server's locale.
CREATE TABLE stock (
    sku_code         text COLLATE "C" PRIMARY KEY,
    quantity         bigint      NOT NULL CHECK (quantity >= 0),
    -- What the SKU started with: with the adjustments and the reservations it must always add up to the quantity.
    initial_quantity bigint      NOT NULL CHECK (initial_quantity >= 0),
    created_at       timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE reservations (
    id          text COLLATE "C" PRIMARY KEY,
    state       text        NOT NULL CHECK (state IN ('reserved', 'refused', 'released')),
    -- [{"sku_code": text, "quantity": number}], each SKU once and in order; never changed.
    lines       jsonb       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    released_at timestamptz
);

CREATE TABLE adjustments (
    id         text COLLATE "C" PRIMARY KEY,
    sku_code   text COLLATE "C" NOT NULL REFERENCES stock,
    delta      bigint      NOT NULL CHECK (delta <> 0),
    -- What was on stock right after it.
    quantity   bigint      NOT NULL CHECK (quantity >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
);

-- +goose Down
DROP TABLE adjustments, reservations, stock;
