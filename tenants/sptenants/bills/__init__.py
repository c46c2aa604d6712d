"""Bills of WeChat's: when they are fetched, and how file and lines are kept."""
