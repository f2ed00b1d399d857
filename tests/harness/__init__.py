"""What proofs and benchmarks of the whole program share: a CA in a folder, the program as a process, its peers."""
