DELETE FROM oauth_codes WHERE retain_until <= unixepoch();
DELETE FROM oauth_access_tokens WHERE expires_at <= unixepoch();
