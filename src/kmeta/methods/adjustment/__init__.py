"""Population adjustment: individual data of one study weighed or modelled towards the patients of another."""
