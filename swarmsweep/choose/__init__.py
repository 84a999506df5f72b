"""Which one wins: recommendation and comparison of cells."""
