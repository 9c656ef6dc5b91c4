import { Center, Code, Stack, Text, Title } from "@mantine/core";

/** What a browser sees that the server does not know (any more). */
export function NoAccess() {
  return (
    <Center mih="100dvh" p="md" component="main">
      <Stack maw={460} gap="sm">
        <Title order={1} size="h3">
          The studio does not know this browser
        </Title>
        <Text>
          Its address is good for one browser, and for thirty days. On the machine where the studio runs, type
          <br />
          <Code>ildm studio --link</Code>
          <br />
          and open the address that it prints. All your pictures are still there.
        </Text>
      </Stack>
    </Center>
  );
}
