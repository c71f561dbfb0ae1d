//! Decisions as values: who is asked, how many must answer, and where the count stands.
