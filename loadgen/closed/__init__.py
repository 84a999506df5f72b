"""Load by users in a closed loop: what they ask and do is recorded, bounded and kept in the lab."""
