from . import page as page, page_section as page_section, results as results
