"""How sessions lie on the disk: tables, migrations, one writer."""
