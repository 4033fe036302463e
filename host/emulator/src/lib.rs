//! The WhatsApp Cloud API on loopback, for development, demos, benchmarks and tests.
