//! Meta's wire: webhooks, signatures, Graph client, error table, template rules.
