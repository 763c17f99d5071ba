"""Which car charged: the cars, a session's power, people's labels. Pure: values in, values out."""
