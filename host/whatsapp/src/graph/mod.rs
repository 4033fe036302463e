//! Meta's Graph API.
