//! Routes players by their tier, answers balances and events, opens tickets.
