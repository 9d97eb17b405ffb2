"""What a run may say: schema, strict YAML loading, shipped recipes. No torch."""
