//! Values: round trips, limits and order.
