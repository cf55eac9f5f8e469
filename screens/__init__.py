"""One file per screen; with app.py the only code that imports streamlit."""
