"""The only room that knows Redis: keys, scripts, and one .lua file for each atomic move."""
