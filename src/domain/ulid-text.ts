/** A ULID: 26 characters of Crockford's base 32, of which the first is at most 7. */
export const ULID_PATTERN = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;
