"""Load by users in a closed loop: their requests and tasks are recorded, bounded and kept in the lab."""
