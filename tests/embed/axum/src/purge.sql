DELETE FROM oauth_codes WHERE expires_at <= unixepoch();
DELETE FROM oauth_access_tokens WHERE expires_at <= unixepoch();
DELETE FROM oauth_refresh_tokens WHERE expires_at <= unixepoch();
DELETE FROM oauth_authorizations WHERE expires_at <= unixepoch();
