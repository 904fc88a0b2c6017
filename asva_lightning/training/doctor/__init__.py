"""What an experiment needs and costs, told without a GPU and before the queue does."""
