"""The studio's server: live sessions over HTTP and WebSocket. It never computes: engines do, in processes of their own."""
