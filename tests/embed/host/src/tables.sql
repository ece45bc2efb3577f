-- A real service keeps a slow hash of the password (see examples/server).
CREATE TABLE users (
    id       TEXT PRIMARY KEY,
    password TEXT NOT NULL
);
CREATE TABLE sessions (
    id           TEXT PRIMARY KEY,
    user_id      TEXT NOT NULL REFERENCES users,
    logged_in_at INTEGER NOT NULL DEFAULT (unixepoch())
);
INSERT INTO users VALUES ('alice', 'wonderland');
