use sqlx::SqlStr;

use crate::tables::{EXPIRING, Tables};

/// Statements that are one change, in their order.
pub(crate) type Change = Vec<SqlStr>;

/// Declares each statement once: by one text for both databases, or by one for each.
///
/// PostgreSQL changes several tables in one statement, which saves the round trips of a transaction. SQLite has no such
/// statement, so there the texts of a list run in one transaction, and `changes() > 0` makes one depend on the one
/// before it.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident $texts:tt)*) => {
        pub(crate) struct Statements {
            $($(#[$doc])* pub(crate) $name: Change,)*
            pub(crate) purge: Change,
        }

        impl Statements {
            #[cfg(feature = "sqlite")]
            pub(crate) fn sqlite(tables: &Tables) -> Self {
                Self { $($name: change(tables, statements!(@sqlite $texts)),)* purge: purge(tables, DOOMED) }
            }

            #[cfg(feature = "postgres")]
            pub(crate) fn postgres(tables: &Tables) -> Self {
                let purge = purge(tables, DOOMED_UNLOCKED);
                Self { $($name: change(tables, statements!(@postgres $texts)),)* purge }
            }
        }
    };
    (@sqlite [$both:literal]) => { &[$both] };
    (@postgres [$both:literal]) => { &[$both] };
    (@sqlite { sqlite: $sqlite:expr, postgres: $postgres:literal, }) => { &$sqlite };
    (@postgres { sqlite: $sqlite:expr, postgres: $postgres:literal, }) => { &[$postgres] };
}

fn change(tables: &Tables, texts: &[&str]) -> Change {
    texts.iter().map(|text| tables.statement(text)).collect()
}

/// How a purge names its records on SQLite.
#[cfg(feature = "sqlite")]
const DOOMED: &str = "id IN (SELECT id FROM TABLE WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2)";

/// How it does on PostgreSQL: as an array, which is found once. A subquery may be run again for each row, and take other
/// rows each time, when those it took before are locked.
#[cfg(feature = "postgres")]
const DOOMED_UNLOCKED: &str = "id = ANY(ARRAY(SELECT id FROM TABLE WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2
    FOR UPDATE SKIP LOCKED))";

/// A statement for each table whose records expire: $1 now, $2 how many to delete at most.
fn purge(tables: &Tables, doomed: &str) -> Change {
    let text = |table: &str| format!("DELETE FROM {table} WHERE {}", doomed.replace("TABLE", table));
    EXPIRING.iter().map(|table| tables.statement(&text(table))).collect()
}

// What reads is one statement; it answers a payload, the payload of the authorization where it is asked for, and a flag.
// An access token is $1 to $5, a refresh token $6 to $10; an authorization is six.
statements! {
    query_client ["SELECT payload, NULL, FALSE FROM grantwell_clients WHERE id = $1"]

    save_client [
        "INSERT INTO grantwell_clients (id, payload) VALUES ($1, $2)
        ON CONFLICT (id) DO UPDATE SET payload = excluded.payload"
    ]

    delete_client ["DELETE FROM grantwell_clients WHERE id = $1"]

    /// Of a client for itself.
    save_access_token [
        "INSERT INTO grantwell_access_tokens (id, authorization_id, client, expires_at, payload)
        VALUES ($1, $2, $3, $4, $5)"
    ]

    save_tokens {
        sqlite: [
            "INSERT INTO grantwell_access_tokens (id, authorization_id, client, expires_at, payload)
            VALUES ($1, $2, $3, $4, $5)",
            "INSERT INTO grantwell_refresh_tokens (id, authorization_id, generation, expires_at, payload)
            SELECT $6, $7, $8, $9, $10 WHERE $6 IS NOT NULL",
            "INSERT INTO grantwell_authorizations (id, client, subject, session, expires_at, payload)
            SELECT $11, $12, $13, $14, $15, $16 WHERE $11 IS NOT NULL ON CONFLICT DO NOTHING",
        ],
        postgres: "WITH family AS (
            INSERT INTO grantwell_refresh_tokens (id, authorization_id, generation, expires_at, payload)
            SELECT $6, $7, $8, $9, $10 WHERE $6 IS NOT NULL
        ), root AS (
            INSERT INTO grantwell_authorizations (id, client, subject, session, expires_at, payload)
            SELECT $11, $12, $13, $14, $15, $16 WHERE $11 IS NOT NULL ON CONFLICT DO NOTHING
        )
        INSERT INTO grantwell_access_tokens (id, authorization_id, client, expires_at, payload)
        VALUES ($1, $2, $3, $4, $5)",
    }

    save_code {
        sqlite: [
            "INSERT INTO grantwell_codes (id, authorization_id, expires_at, payload) VALUES ($1, $2, $3, $4)
            ON CONFLICT DO NOTHING",
            "INSERT INTO grantwell_authorizations (id, client, subject, session, expires_at, payload)
            SELECT $5, $6, $7, $8, $9, $10 WHERE changes() > 0 ON CONFLICT DO NOTHING",
        ],
        postgres: "WITH code AS (
            INSERT INTO grantwell_codes (id, authorization_id, expires_at, payload) VALUES ($1, $2, $3, $4)
            ON CONFLICT DO NOTHING RETURNING id
        ), root AS (
            INSERT INTO grantwell_authorizations (id, client, subject, session, expires_at, payload)
            SELECT $5, $6, $7, $8, $9, $10 FROM code ON CONFLICT DO NOTHING
        )
        SELECT id FROM code",
    }

    query_code [
        "SELECT c.payload, NULL, c.consumed FROM grantwell_codes c
        JOIN grantwell_authorizations a ON a.id = c.authorization_id WHERE c.id = $1 AND NOT a.revoked"
    ]

    delete_code ["UPDATE grantwell_codes SET consumed = TRUE WHERE id = $1 AND NOT consumed"]

    /// $11 the code. Its authorization was saved with it.
    redeem_code {
        sqlite: [
            "UPDATE grantwell_codes SET consumed = TRUE WHERE id = $11 AND NOT consumed",
            "INSERT INTO grantwell_access_tokens (id, authorization_id, client, expires_at, payload)
            SELECT $1, $2, $3, $4, $5 WHERE changes() > 0",
            "INSERT INTO grantwell_refresh_tokens (id, authorization_id, generation, expires_at, payload)
            SELECT $6, $7, $8, $9, $10 WHERE changes() > 0 AND $6 IS NOT NULL",
        ],
        postgres: "WITH code AS (
            UPDATE grantwell_codes SET consumed = TRUE WHERE id = $11 AND NOT consumed RETURNING id
        ), family AS (
            INSERT INTO grantwell_refresh_tokens (id, authorization_id, generation, expires_at, payload)
            SELECT $6, $7, $8, $9, $10 FROM code WHERE $6 IS NOT NULL
        )
        INSERT INTO grantwell_access_tokens (id, authorization_id, client, expires_at, payload)
        SELECT $1, $2, $3, $4, $5 FROM code",
    }

    query_token [
        "SELECT t.payload, a.payload, FALSE FROM grantwell_access_tokens t
        LEFT JOIN grantwell_authorizations a ON a.id = t.authorization_id
        WHERE t.id = $1 AND NOT t.revoked AND (t.authorization_id IS NULL OR NOT a.revoked)"
    ]

    query_refresh_token [
        "SELECT t.payload, a.payload, FALSE FROM grantwell_refresh_tokens t
        JOIN grantwell_authorizations a ON a.id = t.authorization_id WHERE t.id = $1 AND NOT a.revoked"
    ]

    /// Whether its authorization stands or not.
    query_family ["SELECT payload, NULL, FALSE FROM grantwell_refresh_tokens WHERE id = $1"]

    /// $11 the expected generation.
    rotate_refresh_token {
        sqlite: [
            "UPDATE grantwell_refresh_tokens SET generation = $8, expires_at = $9, payload = $10
            WHERE id = $6 AND authorization_id = $7 AND generation = $11",
            "INSERT INTO grantwell_access_tokens (id, authorization_id, client, expires_at, payload)
            SELECT $1, $2, $3, $4, $5 WHERE changes() > 0",
        ],
        postgres: "WITH family AS (
            UPDATE grantwell_refresh_tokens SET generation = $8, expires_at = $9, payload = $10
            WHERE id = $6 AND authorization_id = $7 AND generation = $11 RETURNING id
        )
        INSERT INTO grantwell_access_tokens (id, authorization_id, client, expires_at, payload)
        SELECT $1, $2, $3, $4, $5 FROM family",
    }

    revoke_token ["UPDATE grantwell_access_tokens SET revoked = TRUE WHERE id = $1 AND NOT revoked"]

    revoke_authorization ["UPDATE grantwell_authorizations SET revoked = TRUE WHERE id = $1 AND NOT revoked"]

    revoke_client {
        sqlite: [
            "UPDATE grantwell_authorizations SET revoked = TRUE WHERE client = $1 AND NOT revoked",
            "UPDATE grantwell_access_tokens SET revoked = TRUE
            WHERE client = $1 AND authorization_id IS NULL AND NOT revoked",
        ],
        postgres: "WITH own AS (
            UPDATE grantwell_access_tokens SET revoked = TRUE
            WHERE client = $1 AND authorization_id IS NULL AND NOT revoked
        )
        UPDATE grantwell_authorizations SET revoked = TRUE WHERE client = $1 AND NOT revoked",
    }

    revoke_subject ["UPDATE grantwell_authorizations SET revoked = TRUE WHERE subject = $1 AND NOT revoked"]

    revoke_subject_at_client {
        sqlite: [
            "UPDATE grantwell_authorizations SET revoked = TRUE WHERE subject = $1 AND client = $2 AND NOT revoked",
            "DELETE FROM grantwell_consents WHERE subject = $1 AND client = $2",
        ],
        postgres: "WITH forgotten AS (DELETE FROM grantwell_consents WHERE subject = $1 AND client = $2)
        UPDATE grantwell_authorizations SET revoked = TRUE WHERE subject = $1 AND client = $2 AND NOT revoked",
    }

    /// $1 the sessions, as a JSON array.
    revoke_sessions {
        sqlite: [
            "UPDATE grantwell_authorizations SET revoked = TRUE
            WHERE session IN (SELECT value FROM json_each($1)) AND NOT revoked",
        ],
        postgres: "UPDATE grantwell_authorizations SET revoked = TRUE
        WHERE session IN (SELECT json_array_elements_text($1::json)) AND NOT revoked",
    }

    query_consent ["SELECT payload, NULL, FALSE FROM grantwell_consents WHERE id = $1"]

    save_consent [
        "INSERT INTO grantwell_consents (id, subject, client, payload) VALUES ($1, $2, $3, $4)
        ON CONFLICT (id) DO UPDATE SET payload = excluded.payload"
    ]

    /// $2 now.
    list_authorizations [
        "SELECT payload, NULL, FALSE FROM grantwell_authorizations
        WHERE subject = $1 AND NOT revoked AND expires_at > $2"
    ]

    claim ["INSERT INTO grantwell_claims (id, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING"]

    query_signing_keys ["SELECT payload, NULL, FALSE FROM grantwell_signing_keys WHERE issuer = $1"]

    save_signing_key [
        "INSERT INTO grantwell_signing_keys (id, issuer, payload) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
    ]

    delete_signing_key ["DELETE FROM grantwell_signing_keys WHERE id = $1"]
}
