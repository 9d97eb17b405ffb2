"""One function per command: recipe in, result out, side effects here."""
