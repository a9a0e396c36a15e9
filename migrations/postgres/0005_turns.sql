-- Work that one process of all does now and then: when the next turn is, by this server's clock.
CREATE TABLE refrain.turns (
    name text   COLLATE "C" PRIMARY KEY,
    next bigint NOT NULL -- milliseconds since the Unix epoch
);
